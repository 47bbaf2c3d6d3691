"""The words of every language, and what is said with them."""
