-- How the packages are spread: equal units together, those with most machines in the numerator first.
WITH by_units AS (
  SELECT
    unit,
    CAST(SUM(with_packages) AS BIGINT) AS packages_each,
    CAST(SUM(classified) AS BIGINT) AS classified_each
  FROM counted_days
  WHERE signal = :signal
    AND on_day = CAST(:as_of AS DATE)
  GROUP BY unit
)

SELECT
  packages_each,
  classified_each,
  COUNT(*) AS units
FROM by_units
WHERE classified_each > 0
GROUP BY packages_each, classified_each
ORDER BY packages_each DESC, classified_each, units
