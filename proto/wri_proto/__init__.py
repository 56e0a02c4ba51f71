"""The protobuf messages of the data store, generated from the `.proto` files beside this one."""
