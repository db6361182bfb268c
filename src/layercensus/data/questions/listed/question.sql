-- Who should report and does not.
WITH reporting_now AS (
  SELECT cluster_id AS reporting_id
  FROM counted_days
  WHERE signal = :signal
    AND on_day = CAST(:as_of AS DATE)
),

last_words AS (
  SELECT
    cluster_days.cluster_id AS last_id,
    CASE
      WHEN signal = 'mcd' THEN proxy_none + proxy_unsupported + proxy_unknown
      ELSE nodes_clean + nodes_extensions + nodes_overrides + nodes_packages + nodes_unknown
    END AS seen_then,
    nodes_expected AS expected_then,
    ROW_NUMBER() OVER (PARTITION BY cluster_days.cluster_id ORDER BY cluster_days.day DESC) AS recency
  FROM cluster_days
  JOIN listed_clusters ON cluster_days.cluster_id = listed_clusters.cluster_id
  LEFT JOIN reporting_now ON listed_clusters.cluster_id = reporting_id
  WHERE signal = :signal
    AND cluster_days.day <= CAST(:as_of AS DATE)
    AND machines IS NULL
    AND reporting_id IS NULL
),

held AS (
  SELECT
    listed_clusters.cluster_id AS listed_id,
    reporting_id,
    CASE
      WHEN machines IS NOT NULL THEN machines
      WHEN expected_then > seen_then THEN expected_then
      ELSE seen_then
    END AS size_known
  FROM listed_clusters
  LEFT JOIN reporting_now ON listed_clusters.cluster_id = reporting_id
  LEFT JOIN last_words ON listed_clusters.cluster_id = last_id AND recency = 1
  WHERE NOT EXISTS (
      SELECT 1
      FROM accounts
      WHERE accounts.cluster_id = listed_clusters.cluster_id
        AND is_internal
    )
)

SELECT
  COUNT(*) AS listed,
  COUNT(reporting_id) AS reporting,
  COUNT(CASE WHEN reporting_id IS NULL THEN 1 END) AS silent,
  COUNT(CASE WHEN reporting_id IS NULL AND size_known IS NULL THEN 1 END) AS silent_of_unknown_size,
  CAST(COALESCE(SUM(CASE WHEN reporting_id IS NULL THEN size_known END), 0) AS BIGINT) AS silent_machines,
  (SELECT COUNT(*) FROM reporting_now) - COUNT(reporting_id) AS unlisted
FROM held
