//! Compiles `.proto` files into messages and `micro` contracts.
