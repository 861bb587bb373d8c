"""Reading the warehouse: a query with bound parameters -> a stream of Arrow record batches."""

from candu_sync.warehouse.parameters import parameters_in
from candu_sync.warehouse.reading import Reading
from candu_sync.warehouse.warehouse import Warehouse, open_warehouse

__all__ = ["Reading", "Warehouse", "open_warehouse", "parameters_in"]
