"""One document, text in: what each form of status, origin or log says. Pure, all of it."""
