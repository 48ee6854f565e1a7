//! The list of the services. A new service is one line here.

use crate::inbox::Inbox;
use crate::members::Members;
use crate::proposals::Proposals;
use crate::service::Service;

/// Every service, in the order in which due work is done.
pub(crate) const SERVICES: &[&dyn Service] = &[
    &Members,   //
    &Proposals, //
    &Inbox,     //
];

/// The service of this name.
pub(crate) fn find(name: &str) -> Option<&'static dyn Service> {
    SERVICES.iter().copied().find(|service| service.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_protocol::command::MAX_SERVICE_NAME;

    #[test]
    fn names_fit_and_no_part_of_the_state_overlaps_another() {
        let mut prefixes = vec![crate::replies::PREFIX, crate::machine::PREFIX];
        for service in SERVICES {
            assert!(service.name().len() <= MAX_SERVICE_NAME);
            assert_eq!(find(service.name()).map(|found| found.prefix()), Some(service.prefix()));
            prefixes.push(service.prefix());
        }
        for (i, one) in prefixes.iter().enumerate() {
            for (j, other) in prefixes.iter().enumerate() {
                assert!(i == j || !one.starts_with(other), "{one:?} lies within {other:?}");
            }
        }
    }
}
