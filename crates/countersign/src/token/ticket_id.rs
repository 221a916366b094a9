/// What tells a ticket from every other: that it was used is noted under it.
///
/// ```
/// use countersign::token::TicketId;
///
/// assert_ne!(TicketId([1; 16]), TicketId([2; 16]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketId(pub [u8; 16]);
