//! The arguments of a call, each with its type, so that no server need be asked for them.

use tokio_postgres::types::{ToSql, Type};

/// Arguments in their order.
#[derive(Default)]
pub(crate) struct Params<'a>(Vec<(Box<dyn ToSql + Send + Sync + 'a>, Type)>);

impl<'a> Params<'a> {
    pub(crate) fn push(&mut self, value: impl ToSql + Send + Sync + 'a, kind: Type) {
        self.0.push((Box::new(value), kind));
    }

    /// One array: what `value` makes of each item; nothing where there are no items.
    pub(crate) fn column<I, T: ToSql + Send + Sync + 'a>(
        &mut self,
        kind: Type,
        items: &'a [I],
        value: impl FnMut(&'a I) -> T,
    ) {
        self.push((!items.is_empty()).then(|| items.iter().map(value).collect::<Vec<_>>()), kind);
    }

    /// One array of what few items have; nothing where none has it.
    pub(crate) fn rare<I, T: ToSql + Send + Sync + 'a>(
        &mut self,
        kind: Type,
        items: &'a [I],
        value: impl FnMut(&'a I) -> Option<T>,
    ) {
        let values: Vec<_> = items.iter().map(value).collect();
        self.push(values.iter().any(Option::is_some).then_some(values), kind);
    }

    pub(crate) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|(value, _)| &**value as &(dyn ToSql + Sync)).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<Type> {
        self.0.iter().map(|(_, kind)| kind.clone()).collect()
    }

    /// The places of the arguments in a statement: `$1, $2, …`.
    pub(crate) fn places(count: usize) -> String {
        (1..=count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
    }
}
