-- The clusters that fell silent last: heard of before, and not in the seven days to :as_of.
SELECT
  cluster_id,
  MAX(day) AS last_day
FROM cluster_days
WHERE signal = :signal
  AND day <= CAST(:as_of AS DATE)
GROUP BY cluster_id
HAVING MAX(day) < CAST(:as_of AS DATE) - INTERVAL '6' DAY
ORDER BY last_day DESC, cluster_id
LIMIT 100
