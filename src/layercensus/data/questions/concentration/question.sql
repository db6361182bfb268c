-- How the packages are spread: equal clusters together, those with most machines in the numerator first.
WITH counted AS (
  SELECT
    active_days.*,
    CASE
      WHEN signal = 'mcd' THEN proxy_none + proxy_unsupported
      ELSE nodes_clean + nodes_extensions + nodes_overrides + nodes_packages
    END AS classified,
    CASE WHEN signal = 'mcd' THEN proxy_unknown ELSE nodes_unknown END AS unread,
    CASE WHEN signal = 'mcd' THEN proxy_unsupported ELSE nodes_packages END AS with_packages
  FROM active_days
  WHERE signal = :signal
    AND on_day = CAST(:as_of AS DATE)
),

active AS (
  SELECT
    counted.*,
    CASE
      WHEN nodes_expected > classified + unread THEN nodes_expected - classified - unread
      ELSE 0
    END AS unseen
  FROM counted
)

SELECT
  with_packages AS packages_each,
  classified AS classified_each,
  COUNT(*) AS clusters
FROM active
WHERE classified > 0
GROUP BY with_packages, classified
ORDER BY packages_each DESC, classified_each, clusters
