"""Stories of the operators' workplace in the browser."""
