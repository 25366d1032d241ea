"""What a polarity does, in pictures and figures."""
