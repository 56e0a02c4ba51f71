"""What is promised about clients and schedulers of different versions, and whether it is kept."""
