"""Files people take away: one module a format, rows streamed."""
