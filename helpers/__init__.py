"""What the labs use and do not teach: sessions, checks, data and drawing."""
