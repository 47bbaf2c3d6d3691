"""What several readers share: the reader's type, texts of recordings, polarity, small tables."""
