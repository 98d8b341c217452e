//! What the example servers share.
