//! Bind groups used again: a steady step binds the memory that the step before it bound.

use std::collections::HashMap;

/// The most that are kept; a step of a large encoder needs a few thousand.
const MOST: usize = 1 << 14;

/// Which pipeline, and which memory in the order of its bindings.
pub(super) type Key = (u64, Vec<u64>);

/// Bind groups by what they bind. They keep that alive, so they go before memory does.
#[derive(Default)]
pub(super) struct Bindings {
    groups: HashMap<Key, wgpu::BindGroup>,
}

impl Bindings {
    pub(super) fn get(&self, key: &Key) -> Option<wgpu::BindGroup> {
        self.groups.get(key).cloned()
    }

    pub(super) fn keep(&mut self, key: Key, group: &wgpu::BindGroup) {
        if self.groups.len() >= MOST {
            self.forget();
        }
        self.groups.insert(key, group.clone());
    }

    pub(super) fn forget(&mut self) {
        self.groups.clear();
    }
}
