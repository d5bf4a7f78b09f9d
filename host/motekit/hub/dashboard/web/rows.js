// Rows of a series, sorted by their time, which is first in each.

// Puts a row into its place; one with the same time is replaced.
export function insert(rows, row) {
  let place = rows.length;
  while (place && rows[place - 1][0] > row[0]) place -= 1;
  const same = place && rows[place - 1][0] === row[0];
  rows.splice(same ? place - 1 : place, same ? 1 : 0, row);
}
