//! The resource (process, address, service) of each span. A span set remembers the resource that its spans
//! name, and gives it to those that name none (algorithm 6.5, R-NET-4).

use super::{completed::Resource, flows::Flow};
use crate::flow::{ObservationPoint, Side, Text};

/// Whether a resource type says no more than that there is an address. A better type replaces it.
fn is_address(resource_type: Option<u8>) -> bool {
    matches!(resource_type, Some(0 | 255))
}

/// Remembers a value, and returns what is remembered. The memory is `None` until the first value, which may
/// be 0 or empty.
fn remember<T: Copy + PartialEq + Default>(memory: &mut Option<T>, value: T, replace: bool) -> T {
    match *memory {
        Some(known) if known != T::default() && !replace => known,
        _ => {
            *memory = Some(value);
            value
        }
    }
}

/// The memory of a process span set.
#[derive(Clone, Default, Debug)]
pub(super) struct ProcessMemory {
    subnet: Option<Text>,
    ip: Option<Text>,
    process_kname: Option<Text>,
    process_id: Option<i32>,
    gprocess: Option<Text>,
    service_id: Option<u32>,
    service: Option<Text>,
    service_type: Option<u8>,
    instance_type: Option<u8>,
}

impl ProcessMemory {
    /// The memory of a part of the set (R-PSS-3).
    pub(super) fn of_part(&self) -> Self {
        ProcessMemory { instance_type: None, ..self.clone() }
    }

    /// R-SVC-1: a system span adds what it knows of its process, and takes what it does not know.
    pub(super) fn process(&mut self, flow: &Flow, resource: &mut Resource) {
        let server = matches!(flow.point, ObservationPoint::ServerProcess | ObservationPoint::ServerApp);
        let side = &flow.row.sides[usize::from(server)];
        resource.subnet = remember(&mut self.subnet, side.subnet, false);
        resource.ip = remember(&mut self.ip, side.ip, false);
        resource.process_kname = remember(&mut self.process_kname, side.process_kname, false);
        resource.process_id = remember(&mut self.process_id, side.process_id, false);
        resource.gprocess = remember(&mut self.gprocess, side.gprocess, false);
    }

    /// R-SVC-2: the same for the service. The order of the fields matters: a better type replaces only the
    /// fields that come after it.
    pub(super) fn service(&mut self, flow: &Flow, resource: &mut Resource) {
        let [client, server] = &flow.row.sides;
        let is_app = flow.point == ObservationPoint::App;
        let of_server =
            is_app || matches!(flow.point, ObservationPoint::ServerProcess | ObservationPoint::ServerApp);
        fn pick<T: PartialEq + Default + Copy>(own: T, other: T, fall_back: bool) -> T {
            if fall_back && own == T::default() { other } else { own }
        }
        let side = if of_server { server } else { client };
        let replace = |memory: &Self| is_address(memory.service_type) || is_address(memory.instance_type);

        let correct = replace(self);
        let id = pick(side.auto_service_id, client.auto_service_id, is_app);
        resource.auto_service_id = remember(&mut self.service_id, id, correct);
        let name = pick(side.auto_service, client.auto_service, is_app);
        resource.auto_service = remember(&mut self.service, name, correct);
        let kind = pick(side.auto_service_type, client.auto_service_type, is_app);
        resource.auto_service_type = remember(&mut self.service_type, kind, correct);
        let correct = replace(self);
        let kind = pick(side.auto_instance_type, client.auto_instance_type, is_app);
        remember(&mut self.instance_type, kind, correct);
    }
}

/// The memory of a network span set, for its client and its server (R-NET-4).
#[derive(Clone, Default, Debug)]
pub(super) struct NetworkMemory {
    sides: [NetworkSideMemory; 2],
}

#[derive(Clone, Copy, Default, Debug)]
struct NetworkSideMemory {
    service_id: Option<u32>,
    service: Option<Text>,
    service_type: Option<u8>,
    instance_type: Option<u8>,
}

impl NetworkMemory {
    /// A network span adds what it knows of its service, and takes what it does not know.
    pub(super) fn service(&mut self, flow: &Flow, resource: &mut Resource) {
        let side = usize::from(flow.point.starts_with_s());
        let rows = &flow.row.sides;
        resource.auto_service_id = self.take(side, rows, |s| s.auto_service_id, |m| &mut m.service_id);
        resource.auto_service = self.take(side, rows, |s| s.auto_service, |m| &mut m.service);
        resource.auto_service_type = self.take(side, rows, |s| s.auto_service_type, |m| &mut m.service_type);
        self.take(side, rows, |s| s.auto_instance_type, |m| &mut m.instance_type);
    }

    fn take<T: Copy + PartialEq + Default>(
        &mut self,
        side: usize,
        rows: &[Side; 2],
        value: impl Fn(&Side) -> T,
        memory: impl Fn(&mut NetworkSideMemory) -> &mut Option<T>,
    ) -> T {
        let correct = self.sides.iter().any(|m| is_address(m.service_type) || is_address(m.instance_type));
        let side = if value(&rows[side]) == T::default() { 0 } else { side };
        remember(memory(&mut self.sides[side]), value(&rows[side]), correct)
    }
}
