//! A room's routes, each with the access it needs (ARCHITECTURE idea 5).

use axum::middleware;
use utoipa::openapi::{Response, extensions::ExtensionsBuilder, path::Operation};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::{
    App,
    auth::{Access, guard},
};

/// Routes with their documentation and their guard.
#[derive(Default)]
pub struct Room {
    router: OpenApiRouter<App>,
}

impl Room {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the operations of one path behind `access`. There is no way to add a route without one.
    #[must_use]
    pub fn at(self, access: Access, routes: UtoipaMethodRouter<App>) -> Self {
        let (schemas, mut paths, methods) = routes;
        for (path, item) in &mut paths.paths {
            let writing = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten();
            let named = path.contains('{');
            for (operation, writes) in writing.map(|put| (put, true)).chain(item.get.iter_mut().map(|get| (get, false)))
            {
                declare(operation, access);
                answer(operation, access, named, writes);
            }
        }
        let methods = methods.layer(middleware::from_fn_with_state(access, guard));
        Self { router: self.router.routes((schemas, paths, methods)) }
    }

    /// Adds another room's routes.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self { router: self.router.merge(other.router) }
    }

    /// The routes as one router, with their document.
    pub fn split(self) -> (axum::Router<App>, utoipa::openapi::OpenApi) {
        self.router.split_for_parts()
    }
}

/// Writes the access into the document, where the access test reads it.
fn declare(operation: &mut Operation, access: Access) {
    let mut extension = ExtensionsBuilder::new().add("x-molecule-access", access.as_str());
    if let Access::Handler(rule) = access {
        extension = extension.add("x-molecule-rule", rule);
    }
    operation.extensions.get_or_insert_default().merge(extension.build());
}

/// Writes into the document what any operation of its kind may answer besides what it says itself. Before every
/// handler stand the front door (403, 429), the guard (401), the decoding of path, query and body (400, 408, 413) and the
/// database (503, 507); and what a path names need not exist (404).
fn answer(operation: &mut Operation, access: Access, named: bool, writes: bool) {
    let asks = operation.parameters.as_ref().is_some_and(|list| !list.is_empty());
    let common = [
        ("400", writes || named || asks),
        ("401", access != Access::Open),
        ("403", true),
        ("404", named),
        ("408", writes),
        ("413", writes),
        ("429", true),
        ("503", true),
        ("507", writes),
    ];
    for (status, may_be) in common {
        if may_be {
            operation.responses.responses.entry(status.to_owned()).or_insert_with(|| Response::new("").into());
        }
    }
}
