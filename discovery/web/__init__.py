"""The REST routes, without Streamlit."""
