"""The radio: joining a network, listing networks, opening one of our own."""
