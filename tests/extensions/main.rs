//! Extensions through the public interface: how they come, what they get, how they end.

mod endings;
mod loading;
mod methods;
mod probes;
mod registration;
mod services;
mod threads;
