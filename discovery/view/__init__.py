"""Records -> tables, figures and roles for the pages. No Streamlit call is made here."""
