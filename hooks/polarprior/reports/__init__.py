"""A sweep as a page: curves, tables and pictures in one HTML file."""
