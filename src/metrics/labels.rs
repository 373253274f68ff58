//! One answer an item: labels of examples, tags of words.

use super::Marks;

/// The marks of predicted labels, item by item.
#[track_caller]
pub fn marks<T: PartialEq>(wanted: &[T], given: &[T]) -> Marks {
    assert_eq!(wanted.len(), given.len(), "labels of different items: their readers check that");
    let right = wanted.iter().zip(given).filter(|(wanted, given)| wanted == given).count();
    Marks { right, given: given.len(), wanted: wanted.len() }
}
