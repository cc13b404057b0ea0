//! The filter as a dynamic module.

use crate::envoy::{Host, Side};
use crate::proxy::{Of, Proxy};

pub use crate::filter::Filter as Rules;

pub struct Filter(Rules);

#[derive(Default)]
pub struct Stream;

impl Filter {
    pub fn new(config: &[u8]) -> Result<Filter, String> {
        Rules::new(config).map(Filter)
    }

    pub fn request(&self, _: &mut Stream, host: &Host) -> bool {
        self.0.request(host);
        true
    }

    pub fn response(&self, _: &mut Stream, host: &Host) {
        self.0.response(host);
    }
}

fn side(of: Of) -> Side {
    match of {
        Of::Request => Side::Request,
        Of::Response => Side::Response,
    }
}

impl Proxy for Host {
    fn values(&self, name: &str) -> Vec<Vec<u8>> {
        Host::values(self, name)
    }

    fn set(&self, of: Of, name: &[u8], value: &[u8]) {
        Host::set(self, side(of), name, value);
    }

    fn add(&self, of: Of, name: &[u8], value: &[u8]) {
        Host::add(self, side(of), name, value);
    }

    fn remove(&self, of: Of, name: &[u8]) {
        Host::remove(self, side(of), name);
    }

    fn clear_route(&self) {
        Host::clear_route(self);
    }
}
