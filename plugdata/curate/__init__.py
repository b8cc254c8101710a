"""What is worth keeping of finished pairs, and of sources before they are paid for."""
