"""A stock script that fails by itself, or ends with a code of its own."""

import sys

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(int(sys.argv[1]))
    {}["nothing there"]
