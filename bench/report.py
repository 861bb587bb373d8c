def write_page(book, page): pass
