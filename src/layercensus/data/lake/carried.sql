-- The population rule: a cluster counts with its last row of seven days. These are those that count today with a row of
-- an earlier day: who counted yesterday, has no row of today, and spoke at most six days ago.
SELECT
  CAST($on_day AS DATE) AS on_day,
  before.*
FROM (
  SELECT * FROM rows_before
  UNION ALL BY NAME
  SELECT * EXCLUDE (on_day) FROM carried_before
) AS before
WHERE before.day >= CAST($on_day AS DATE) - INTERVAL '6' DAY
  AND NOT EXISTS (
    SELECT 1
    FROM rows_today
    WHERE rows_today.signal = before.signal
      AND rows_today.cluster_id = before.cluster_id
  )
