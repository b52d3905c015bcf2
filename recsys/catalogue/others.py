"""Public data sets of other publishers that recommenders are tried on. Each entry says where its facts come from."""

from __future__ import annotations

from recsys.catalogue.types import Download, FileLayout, Release
from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER, YEAR

_TWEETINGS = "https://raw.githubusercontent.com/sidooms/MovieTweetings/master/latest/"
# a commit, so that the files are always the same; those two have not changed since
_GOODBOOKS = "https://raw.githubusercontent.com/zygmuntz/goodbooks-10k/6dd165b555a7b47b2dd36743a425776e641ff50c/"
_GROWING = "the repository replaces its files as they grow"

MOVIETWEETINGS = Release(
    name="movietweetings",
    about="ratings of movies in tweets from IMDb's apps, 2013 to 2021",
    folder="movietweetings",
    downloads=(
        Download(f"{_TWEETINGS}ratings.dat", "file", "movietweetings/ratings.dat", unchecked_because=_GROWING),
        Download(f"{_TWEETINGS}movies.dat", "file", "movietweetings/movies.dat", unchecked_because=_GROWING),
    ),
    ratings=FileLayout(
        "ratings.dat", "::", False, "UTF-8", False, columns={USER: 1, MOVIE: 2, RATING: 3, TIMESTAMP: 4}
    ),
    movies=FileLayout("movies.dat", "::", False, "UTF-8", False, columns={MOVIE: 1, TITLE: 2}),
    terms="Simon Dooms, Ghent University: MIT licence: https://github.com/sidooms/MovieTweetings/blob/master/LICENSE",
    reference="S. Dooms, T. De Pessemier and L. Martens, MovieTweetings: a Movie Rating Dataset Collected From "
    "Twitter, CrowdRec at RecSys 2013",
    rating_min=0.0,
    rating_max=10.0,
    rating_step=1.0,
    integer_ids=False,
    users_count=71_707,
    movies_count=38_018,
    ratings_count=921_398,
)
"""Layout, scale and terms: README.md and LICENSE of https://github.com/sidooms/MovieTweetings. Counts: its README of
24 November 2021, the last. Movie ids are IMDb's with leading zeros ("0110912"), some without: text, not numbers."""

JESTER = Release(
    name="jester",
    about="ratings of jokes, 1999 to 2003 (Jester dataset 1)",
    folder="jester",
    downloads=(),
    ratings=FileLayout("jester-data-*.csv", ",", False, "UTF-8", False, columns={}, layout="wide", skipped_columns=1),
    movies=None,
    terms="Ken Goldberg, UC Berkeley: free for research with acknowledgement: https://eigentaste.berkeley.edu/dataset/",
    reference="K. Goldberg, T. Roeder, D. Gupta and C. Perkins, Eigentaste: A Constant Time Collaborative Filtering "
    "Algorithm, Information Retrieval 4 (2), 2001",
    rating_min=-10.0,
    rating_max=10.0,
    missing=(99.0,),
    users_count=73_421,
    movies_count=100,
    ratings_count=4_136_360,
    by_hand="it is published as Excel sheets: download the three zip files of dataset 1 at "
    "https://eigentaste.berkeley.edu/dataset/ (jester-data-1.zip to jester-data-3.zip) and save each sheet as CSV, "
    "without a header, as jester/jester-data-1.csv to jester/jester-data-3.csv",
)
"""Three parts, a user a row: the number of jokes rated, then a rating of each of the 100 jokes, 99 where not rated.
Source: https://goldberg.berkeley.edu/jester-data/ and https://eigentaste.berkeley.edu/dataset/, which give 4.1 million
ratings; the exact count is that of RecBole's list of data sets. Ratings are real numbers, written with two decimals."""

BOOK_CROSSING = Release(
    name="book-crossing",
    about="ratings of books by members of BookCrossing, 2004",
    folder="book-crossing",
    downloads=(),
    ratings=FileLayout(
        "BX-Book-Ratings.csv",
        ";",
        True,
        "ISO-8859-1",
        True,
        columns={USER: "User-ID", MOVIE: "ISBN", RATING: "Book-Rating"},
        quote_escape="\\",
    ),
    movies=FileLayout(
        "BX-Books.csv",
        ";",
        True,
        "ISO-8859-1",
        True,
        columns={MOVIE: "ISBN", TITLE: "Book-Title", YEAR: "Year-Of-Publication"},
        alternatives=("BX_Books.csv",),
        quote_escape="\\",
    ),
    terms="Cai-Nicolas Ziegler, University of Freiburg: free for research with acknowledgement: "
    "http://www2.informatik.uni-freiburg.de/~cziegler/BX/ (gone)",
    reference="C.-N. Ziegler, S. M. McNee, J. A. Konstan and G. Lausen, Improving Recommendation Lists Through Topic "
    "Diversification, WWW 2005, https://doi.org/10.1145/1060745.1060754",
    rating_min=1.0,
    rating_max=10.0,
    rating_step=1.0,
    missing=(0.0,),
    integer_ids=False,
    movies_count=271_379,
    users_count=278_858,
    ratings_count=1_149_780,
    by_hand="its publisher's server is gone: unpack a copy of BX-CSV-Dump.zip so that there are "
    "book-crossing/BX-Book-Ratings.csv and book-crossing/BX-Books.csv",
)
"""Ratings from 1 to 10; 0 says that the user had the book and did not rate it (716,109 of the 1,149,780 rows).

Source: http://www2.informatik.uni-freiburg.de/~cziegler/BX/ (gone) as quoted by
https://bookdata.piret.info/data/bx.html and by public programs that read the files. 105,283 users have rows. ISBNs may
end in X or start with 0: text. Titles have quotes after a backslash. The bytes are ISO-8859-1, broken in some rows."""

GOODBOOKS = Release(
    name="goodbooks-10k",
    about="ratings of the 10,000 books that most users rated",
    folder="goodbooks-10k",
    downloads=(
        Download(
            f"{_GOODBOOKS}ratings.csv",
            "file",
            "goodbooks-10k/ratings.csv",
            "git:0d245a10acfe3c89b2e4004cdbc805b99771ac5d",
        ),
        Download(
            f"{_GOODBOOKS}books.csv",
            "file",
            "goodbooks-10k/books.csv",
            "git:d694afdf5f555b51c1128c6ff562b6e54a7f75e3",
        ),
    ),
    ratings=FileLayout(
        "ratings.csv", ",", True, "UTF-8", True, columns={USER: "user_id", MOVIE: "book_id", RATING: "rating"}
    ),
    movies=FileLayout(
        "books.csv",
        ",",
        True,
        "UTF-8",
        True,
        columns={MOVIE: "book_id", TITLE: "title", YEAR: "original_publication_year"},
    ),
    terms="Zygmunt Zając: CC BY-SA 4.0: https://github.com/zygmuntz/goodbooks-10k/blob/master/LICENSE",
    reference="Z. Zając, Goodbooks-10k: a new dataset for book recommendations, FastML, 2017, "
    "http://fastml.com/goodbooks-10k",
    rating_min=1.0,
    rating_max=5.0,
    rating_step=1.0,
    integer_ids=True,
    users_count=53_424,
    movies_count=10_000,
    ratings_count=5_976_479,
    tags=("book_tags.csv", "tags.csv"),
)
"""Source: README.md, LICENSE and books.csv of https://github.com/zygmuntz/goodbooks-10k, whose tree has the ids of both
files. There are no times; the rows are sorted by time. Years are written as "2008.0"; 21 books have none. The files of
tags are in the repository and are not downloaded. Kaggle's version has other files, with fewer ratings."""

LASTFM_360K = Release(
    name="lastfm-360k",
    about="plays of artists by users of Last.fm, until 2009",
    folder="lastfm-dataset-360K",
    downloads=(
        Download(
            "https://zenodo.org/records/6090214/files/lastfm-dataset-360K.tar.gz",
            "tar.gz",
            "",
            "md5:635e6ed3fc873aa4ba33aba0ebce02b1",
        ),
    ),
    ratings=FileLayout(
        "usersha1-artmbid-artname-plays.tsv", "\t", False, "UTF-8", False, columns={USER: 1, MOVIE: 3, RATING: 4}
    ),
    movies=None,
    terms="Last.fm, collected by Òscar Celma, Universitat Pompeu Fabra: non-commercial use: "
    "https://www.upf.edu/web/mtg/lastfm360k",
    reference="O. Celma, Music Recommendation and Discovery in the Long Tail, Springer, 2010",
    feedback="counts",
    integer_ids=False,
    users_count=359_347,
    movies_count=294_015,
    ratings_count=17_559_530,
)
"""A row: user, MusicBrainz id of the artist, name of the artist, plays. The name is taken for the id: 107,373 of the
artists have no MusicBrainz id, and the field is empty in their rows.

Source: http://ocelma.net/MusicRecommendationDataset/lastfm-360K.html, the README in the archive, and
https://zenodo.org/records/6090214, which has the MD5. The artists are 186,642 with and 107,373 without an id."""

NETFLIX = Release(
    name="netflix",
    about="the training ratings of the Netflix prize, 1998 to 2005",
    folder="netflix",
    downloads=(),
    ratings=FileLayout(
        "combined_data_*.txt",
        ",",
        False,
        "UTF-8",
        False,
        columns={},
        layout="netflix",
        alternatives=("training_set/mv_*.txt",),
    ),
    movies=FileLayout(
        "movie_titles.csv",
        ",",
        False,
        "ISO-8859-1",
        False,
        columns={MOVIE: 1, YEAR: 2, TITLE: 3},
        alternatives=("movie_titles.txt",),
        rest_of_line=True,
    ),
    terms="Netflix: research, with acknowledgement; not commercial, not to be passed on; withdrawn after the prize: "
    "README of the data set, https://www.kaggle.com/datasets/netflix-inc/netflix-prize-data",
    reference="J. Bennett and S. Lanning, The Netflix Prize, KDD Cup and Workshop, 2007",
    rating_min=1.0,
    rating_max=5.0,
    rating_step=1.0,
    integer_ids=True,
    users_count=480_189,
    movies_count=17_770,
    ratings_count=100_480_507,
    by_hand="Netflix has withdrawn it, and Kaggle asks for a login: download "
    "https://www.kaggle.com/datasets/netflix-inc/netflix-prize-data and unpack it so that there are "
    "netflix/combined_data_1.txt to netflix/combined_data_4.txt and netflix/movie_titles.csv (or, as Netflix packed "
    "it, netflix/training_set/mv_0000001.txt to mv_0017770.txt and netflix/movie_titles.txt)",
)
"""Blocks of a movie: a line "1:" and then lines of user, rating and date (2005-09-06). A title goes on to the end of
its line, with its commas; the year is a column of its own, "NULL" where it is not known.

Source: the README of the data set. Kaggle packs the same rows in four files, Netflix in a file a movie."""

OTHERS: tuple[Release, ...] = (MOVIETWEETINGS, JESTER, BOOK_CROSSING, GOODBOOKS, LASTFM_360K, NETFLIX)
