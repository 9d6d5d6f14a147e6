SELECT name, value, '(' || field[1] || ')' AS field
FROM ROWS FROM (json_each({row}), regexp_matches({said}, '[(,]("(?:[^"]|"")*"|[^",()]*)', 'g')) AS its (name, value, field)
