//! What may be taken of rows that are done one after the other.

use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select,
    sea_query::{Alias, Expr, LockBehavior, LockType, Query},
};
use time::OffsetDateTime;

/// The columns by which rows of `E` have their order.
pub struct Lines<E: EntityTrait, const N: usize> {
    /// Rows that are the same in these make a line.
    pub line: [E::Column; N],
    /// Their order in it.
    pub sequence: E::Column,
    /// Before this time a row is not to be taken.
    pub due_at: E::Column,
    /// Set once a row is done.
    pub done_at: E::Column,
}

impl<E: EntityTrait, const N: usize> Lines<E, N> {
    /// Of each line, the first that is not done, if it is due; locked, but for what another has locked.
    pub fn heads(&self, now: OffsetDateTime) -> Select<E> {
        let earlier = Alias::new("earlier");
        let of_earlier = |column: E::Column| Expr::col((earlier.clone(), column));
        let own = |column: E::Column| (E::default(), column);
        let mut one_before = Query::select();
        one_before
            .expr(Expr::val(1))
            .from_as(E::default(), earlier.clone())
            .and_where(of_earlier(self.sequence).lt(Expr::col(own(self.sequence))))
            .and_where(of_earlier(self.done_at).is_null());
        for column in self.line {
            one_before.and_where(of_earlier(column).equals(own(column)));
        }
        E::find()
            .filter(self.done_at.is_null())
            .filter(self.due_at.lte(now))
            .filter(Expr::exists(one_before).not())
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
    }
}
