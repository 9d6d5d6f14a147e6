"""What the business asks of history."""
