//! Who is examined: a device, in all the ways in which it can be opened.

use crate::{
    error::Result,
    gpu::{Gpu, Kind, Opening},
    tensor::Device,
};
use std::{cell::RefCell, path::Path};

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// What takes under two minutes.
    Usual,
    /// What takes under eight.
    Full,
}

/// A device under examination.
pub struct Subject<'a> {
    /// As a run would open it, in f32.
    pub device: &'a Device,
    /// How much is checked.
    pub effort: Effort,
    /// A folder for what checks must write; it goes with the examination.
    pub scratch: &'a Path,
    opened: RefCell<Vec<(Opening, Result<Device>)>>,
}

impl<'a> Subject<'a> {
    /// A device that nothing is known of yet.
    pub fn new(device: &'a Device, effort: Effort, scratch: &'a Path) -> Subject<'a> {
        Subject { device, effort, scratch, opened: RefCell::default() }
    }

    /// Whether a driver computes on the processor, which takes a second to compile a kernel, and thirty for some.
    pub fn is_software(&self) -> bool {
        matches!(self.device, Device::Gpu(gpu) if gpu.adapter().kind == Kind::Software)
    }

    /// The same adapter opened in some way, once for all checks; the processor knows one way only, and gives none.
    pub fn opened(&self, opening: Opening) -> Option<Result<Device>> {
        if !matches!(self.device, Device::Gpu(_)) {
            return None;
        }
        let mut opened = self.opened.borrow_mut();
        if let Some((_, device)) = opened.iter().find(|(other, _)| *other == opening) {
            return Some(device.clone());
        }
        let device = self.open(opening)?;
        opened.push((opening, device.clone()));
        Some(device)
    }

    /// The same for one check alone, which may spoil it; none where that cannot be.
    pub fn opened_anew(&self, opening: Opening) -> Option<Device> {
        self.open(opening)?.ok()
    }

    fn open(&self, opening: Opening) -> Option<Result<Device>> {
        let Device::Gpu(gpu) = self.device else { return None };
        Some(Gpu::open_as(Some(&gpu.adapter().position.to_string()), opening).map(Device::Gpu))
    }
}
