"""What the labs' cells import and do not teach: data, drawing, views of what runs in Ray."""
