//! Tables of plain text.

/// Which side of its column a cell leans to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// For words.
    Left,
    /// For numbers.
    Right,
}

/// Rows under a header, each column as wide as its widest cell.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        let columns = columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When the row has not one cell a column.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert_eq!(cells.len(), self.columns.len(), "a row has one cell a column");
        self.rows.push(cells);
    }

    /// The table as lines, each indented by two spaces and without blanks at its end.
    pub(crate) fn render(&self) -> String {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (name, _))| {
                self.rows.iter().map(|row| width(&row[at])).chain([width(name)]).max().unwrap_or_default()
            })
            .collect();
        let header: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        let mut text = String::new();
        for row in [&header, &rule].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let blank = " ".repeat(widths[at] - width(cell));
                line.push_str("  ");
                match self.columns[at].1 {
                    Align::Left => line.extend([cell.as_str(), &blank]),
                    Align::Right => line.extend([blank.as_str(), cell]),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The width of a cell in characters; the names that are printed here have no wide ones.
fn width(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("proposal", Align::Left), ("for", Align::Right)]);
        table.row(["Überweisung", "3"]);
        table.row(["fee", "12"]);
        assert_eq!(
            table.render(),
            "  proposal     for\n  ───────────  ───\n  Überweisung    3\n  fee           12\n"
        );
    }

    #[test]
    fn an_empty_table_is_its_header() {
        let table = Table::new(&[("a", Align::Left)]);
        assert_eq!(table.render(), "  a\n  ─\n");
    }

    #[test]
    #[should_panic(expected = "one cell a column")]
    fn a_row_of_another_length_is_a_mistake() {
        Table::new(&[("a", Align::Left)]).row(["1", "2"]);
    }
}
