//! The filter that does nothing, as a dynamic module.

use crate::envoy::Host;

pub struct Filter;

#[derive(Default)]
pub struct Stream;

impl Filter {
    pub fn new(_config: &[u8]) -> Result<Filter, String> {
        Ok(Filter)
    }

    pub fn request(&self, _: &mut Stream, _: &Host) -> bool {
        true
    }

    pub fn response(&self, _: &mut Stream, _: &Host) {}
}
