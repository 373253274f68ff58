//! A table as papers have it, in figures: methods as rows, languages as columns.

/// A table as papers have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Paper {
    /// What it shows, with what stars and bold figures mean.
    pub caption: String,
    /// The heading of each column but the first.
    pub headings: Vec<String>,
    /// A method and its figures.
    pub rows: Vec<(String, Vec<Figure>)>,
}

/// A figure of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figure {
    /// Itself.
    pub value: String,
    /// What stands small beside it.
    pub beside: String,
    /// What stands small below it.
    pub below: String,
    /// Whether it has a star.
    pub has_star: bool,
    /// Whether it is bold.
    pub is_bold: bool,
}
