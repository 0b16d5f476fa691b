//! A room's routes, each with the access it needs (ARCHITECTURE idea 5).

use axum::middleware;
use utoipa::openapi::{extensions::ExtensionsBuilder, path::Operation};
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
        for item in paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
            for operation in operations.into_iter().flatten() {
                declare(operation, access);
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
