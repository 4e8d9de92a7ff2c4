"""Files people take away: one module a format, columns declared once, rows streamed."""
