"""Names of the columns that DataFrames, Parquet files and blocks of this project share."""

# rows of ratings and movies
USER = "user"
MOVIE = "movie"
RATING = "rating"
TIMESTAMP = "timestamp"
TITLE = "title"
YEAR = "year"

CODE = "code"  # of a movie: its place among all known movies, sorted by id

# blocks: many users' rating arrays as one CSR matrix (rows: users, columns: movie indices)
USERS = "users"
USER_HASHES = "user_hashes"
INDPTR = "indptr"
INDICES = "indices"
RATINGS = "ratings"
TIMES = "times"

# items.parquet
INDEX = "index"
MOVIE_ID = "movie_id"
POPULARITY = "popularity"
