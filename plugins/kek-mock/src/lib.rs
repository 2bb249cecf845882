//! A mock key provider.
