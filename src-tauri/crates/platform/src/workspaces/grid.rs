//! Where cards lie (20 §12.6): the same figures as the canvas, so that a team looks alike wherever it was made.

/// A card without a team.
pub const LEAF: Size = Size { width: 240.0, height: 130.0 };
const GUTTER: f64 = 14.0;
const HEADER: f64 = 130.0;
const PADDING: f64 = 16.0;
const COLUMNS: usize = 2;

/// How much room a card takes, with its team.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Canvas units.
    pub width: f64,
    /// Canvas units.
    pub height: f64,
}

/// A place; relative to a parent or absolute, as the context says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Canvas units, to the right.
    pub x: f64,
    /// Canvas units, downwards.
    pub y: f64,
}

impl Place {
    /// Seen from the origin that `parent` lies at.
    #[must_use]
    pub fn from(self, parent: Self) -> Self {
        Self { x: self.x + parent.x, y: self.y + parent.y }
    }

    /// Seen from `parent`.
    #[must_use]
    pub fn relative_to(self, parent: Self) -> Self {
        Self { x: self.x - parent.x, y: self.y - parent.y }
    }
}

/// The room of a card whose team has these sizes.
#[must_use]
pub fn size(children: &[Size]) -> Size {
    if children.is_empty() {
        return LEAF;
    }
    let columns = COLUMNS.min(children.len());
    let rows = row_heights(children);
    let gaps = |count: usize| GUTTER * whole(count.saturating_sub(1));
    Size {
        width: 2.0 * PADDING + column_width(children) * whole(columns) + gaps(columns),
        height: HEADER + rows.iter().sum::<f64>() + gaps(rows.len()) + PADDING,
    }
}

/// Where each card of a team lies, relative to its parent.
#[must_use]
pub fn slots(children: &[Size]) -> Vec<Place> {
    let columns = COLUMNS.min(children.len()).max(1);
    let (width, rows) = (column_width(children), row_heights(children));
    (0..children.len())
        .map(|i| Place {
            x: PADDING + whole(i % columns) * (width + GUTTER),
            y: HEADER + rows[..i / columns].iter().map(|height| height + GUTTER).sum::<f64>(),
        })
        .collect()
}

fn column_width(children: &[Size]) -> f64 {
    children.iter().map(|child| child.width).fold(0.0, f64::max)
}

fn row_heights(children: &[Size]) -> Vec<f64> {
    let columns = COLUMNS.min(children.len()).max(1);
    children.chunks(columns).map(|row| row.iter().map(|child| child.height).fold(0.0, f64::max)).collect()
}

/// Counts of cards are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "a canvas holds fewer than 2^52 cards")]
const fn whole(count: usize) -> f64 {
    count as f64
}

/// A card with its size and its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Card {
    /// Its place.
    pub place: Place,
    /// Its room.
    pub size: Size,
}

impl Card {
    fn touches(&self, other: &Self) -> bool {
        let apart = self.place.x + self.size.width <= other.place.x
            || other.place.x + other.size.width <= self.place.x
            || self.place.y + self.size.height <= other.place.y
            || other.place.y + other.size.height <= self.place.y;
        !apart
    }
}

/// The place of a new card in a team, absolute: the given one, unless it lies wholly outside the
/// parent; then, and where none was given, the next free slot.
#[must_use]
pub fn place_child(parent: Place, siblings: &[Card], given: Option<Place>) -> Place {
    let sizes: Vec<Size> = siblings.iter().map(|card| card.size).chain([LEAF]).collect();
    let room = Card { place: parent, size: size(&sizes) };
    if let Some(given) = given.filter(|place| room.touches(&Card { place: *place, size: LEAF })) {
        return given;
    }
    let slots = slots(&sizes);
    let free = slots.iter().map(|slot| slot.from(parent)).find(|place| {
        let card = Card { place: *place, size: LEAF };
        siblings.iter().all(|sibling| !sibling.touches(&card))
    });
    free.unwrap_or_else(|| slots.last().copied().unwrap_or(Place { x: PADDING, y: HEADER }).from(parent))
}

#[cfg(test)]
mod tests {
    use super::{Card, LEAF, Place, Size, place_child, size, slots};

    fn at(x: f64, y: f64) -> Place {
        Place { x, y }
    }

    #[test]
    fn sizes_of_teams() {
        assert_eq!(size(&[]), LEAF);
        assert_eq!(size(&[LEAF]), Size { width: 272.0, height: 276.0 });
        assert_eq!(size(&[LEAF; 2]), Size { width: 526.0, height: 276.0 });
        assert_eq!(size(&[LEAF; 3]), Size { width: 526.0, height: 420.0 });
        // A team within a team makes its column and its row as large as itself.
        let team = size(&[LEAF; 2]);
        assert_eq!(size(&[team, LEAF]), Size { width: 32.0 + 2.0 * 526.0 + 14.0, height: 130.0 + 276.0 + 16.0 });
    }

    #[test]
    fn slots_of_teams() {
        assert_eq!(slots(&[]), []);
        assert_eq!(slots(&[LEAF; 3]), [at(16.0, 130.0), at(270.0, 130.0), at(16.0, 274.0)]);
        let team = size(&[LEAF]);
        assert_eq!(slots(&[LEAF, team, LEAF]), [at(16.0, 130.0), at(302.0, 130.0), at(16.0, 420.0)]);
    }

    #[test]
    fn r86_a_child_comes_to_lie_inside() {
        let parent = at(1000.0, 500.0);
        assert_eq!(place_child(parent, &[], Some(at(1016.0, 600.0))), at(1016.0, 600.0));
        assert_eq!(place_child(parent, &[], Some(at(0.0, 0.0))), at(1016.0, 630.0));
        assert_eq!(place_child(parent, &[], None), at(1016.0, 630.0));
        let first = Card { place: at(1016.0, 630.0), size: LEAF };
        assert_eq!(place_child(parent, &[first], None), at(1270.0, 630.0));
        // A sibling that was moved away leaves its slot.
        let moved = Card { place: at(5000.0, 630.0), size: LEAF };
        assert_eq!(place_child(parent, &[moved], None), at(1016.0, 630.0));
    }

    proptest::proptest! {
        #[test]
        fn siblings_never_overlap(sizes in proptest::collection::vec((240.0..900.0_f64, 130.0..900.0_f64), 1..12)) {
            let sizes: Vec<Size> = sizes.into_iter().map(|(width, height)| Size { width, height }).collect();
            let whole = size(&sizes);
            let cards: Vec<Card> = slots(&sizes).into_iter().zip(&sizes).map(|(place, size)| Card { place, size: *size }).collect();
            for (i, card) in cards.iter().enumerate() {
                proptest::prop_assert!(card.place.x + card.size.width <= whole.width && card.place.y + card.size.height <= whole.height);
                proptest::prop_assert!(cards[i + 1..].iter().all(|other| !card.touches(other)));
            }
        }
    }
}
