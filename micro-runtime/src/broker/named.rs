use super::{Broker, Memory};
use crate::environment::Environment;
use crate::error::Result;
use crate::registry::Registry;
use std::sync::Arc;
/// T
pub struct Surroundings {
    /// R
    pub registry: Arc<dyn Registry>,
    /// H
    pub host: Option<String>,
}
/// B
pub fn by_name(_: &str, _: Option<&str>, _: &Surroundings) -> Result<Arc<dyn Broker>> {
    Ok(Arc::new(Memory::new()))
}
/// F
pub fn from_environment(_: &Environment, _: &Surroundings) -> Result<Arc<dyn Broker>> {
    Ok(Arc::new(Memory::new()))
}
