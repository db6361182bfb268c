-- The clusters that fell silent last: heard of before, and not active on :as_of.
WITH gone AS (
  SELECT
    known_clusters.cluster_id,
    known_clusters.last_day
  FROM known_clusters
  WHERE known_clusters.signal = :signal
    AND known_clusters.first_day <= CAST(:as_of AS DATE)
    AND NOT EXISTS (
      SELECT 1
      FROM active_days
      WHERE active_days.signal = :signal
        AND active_days.on_day = CAST(:as_of AS DATE)
        AND active_days.cluster_id = known_clusters.cluster_id
    )
),

-- Of those that spoke again later, the last day before that.
before AS (
  SELECT
    cluster_days.cluster_id AS of_cluster,
    MAX(cluster_days.day) AS until_day
  FROM cluster_days
  JOIN gone ON cluster_days.cluster_id = gone.cluster_id
  WHERE gone.last_day > CAST(:as_of AS DATE)
    AND cluster_days.signal = :signal
    AND cluster_days.day <= CAST(:as_of AS DATE)
  GROUP BY cluster_days.cluster_id
)

SELECT
  gone.cluster_id,
  COALESCE(until_day, gone.last_day) AS last_day
FROM gone
LEFT JOIN before ON gone.cluster_id = of_cluster
ORDER BY last_day DESC, gone.cluster_id
LIMIT 100
