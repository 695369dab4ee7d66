//! A tower Service and Layer that answer the endpoints of AsyncFlow's jobs over HTTP.
