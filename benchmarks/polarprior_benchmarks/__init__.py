"""What the benchmarks of polarprior and of its plugins share."""
