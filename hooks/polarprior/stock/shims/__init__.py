"""What lets a stock script run where it otherwise would not. Each is applied only where it is needed."""
