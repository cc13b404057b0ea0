//! What a filter can have of its proxy for one request.

/// Whose headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Request,
    Response,
}

pub trait Proxy {
    /// All copies of a request header; :path and :method are among them.
    fn values(&self, name: &str) -> Vec<Vec<u8>>;
    /// Replaces every copy.
    fn set(&self, of: Of, name: &[u8], value: &[u8]);
    /// Adds beside the copies that are there.
    fn add(&self, of: Of, name: &[u8], value: &[u8]);
    /// Removes every copy.
    fn remove(&self, of: Of, name: &[u8]);
    /// Has the route looked for again.
    fn clear_route(&self);
}
