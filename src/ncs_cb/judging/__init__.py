"""From numbers to grades, categories and what speaks for and against."""
