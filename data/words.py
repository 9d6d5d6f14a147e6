"""Words the sample year is made of: people, streets, towns and film titles, all invented."""


def _list(words: str) -> list[str]:
    return words.split()


FIRST_NAMES = _list("""
Ada Agnes Alan Albert Alice Amara Amos Andrea Angus Anita Anton Arlo Asha Astrid Audrey August
Beatrice Benedict Bernard Bianca Boris Bridget Bruno Calvin Camille Carla Cecil Celeste Chester
Clara Clement Colette Conrad Cora Cyrus Dahlia Damian Daphne Dario Delia Desmond Dora Duncan
Edith Edmund Eileen Elena Elias Elliot Elsie Emmett Enid Esther Ezra Fatima Felix Fern Fiona
Flora Floyd Frances Gideon Gilbert Giselle Gordon Greta Gus Gwen Hana Harriet Harvey Hazel Hector
Helena Hollis Hugo Ida Imogen Ingrid Irene Isaac Isla Ivan Ivy Jasper Jerome Joan Jonas Josie
Jude Judith Julius June Kamala Keiko Kendra Kenji Kit Lars Laurel Lena Leo Leona Lionel Lorna
Lucian Lydia Mabel Magnus Maeve Malik Marcel Margot Marian Martha Matteo Maude Maxine Mei Miles
Milo Mina Miriam Mona Morris Muriel Nadia Naomi Ned Nell Nico Nina Noel Nora Odette Olga Olive
Omar Opal Oscar Otis Otto Owen Paloma Pascal Pearl Percy Petra Phoebe Pilar Priya Quentin Quincy
Rafael Ramona Regina Reuben Rhoda Rita Roland Rosa Rowan Ruby Rufus Ruth Sabine Sadie Salma
Samir Saul Selma Silas Silvia Simone Solomon Sonia Stella Sven Sybil Tamsin Tessa Theo Thelma
Tobias Ursula Vera Verna Victor Viola Vivian Walter Wanda Warren Wendell Wilma Winona Xavier Yara
Yusuf Yvette Zelda Zora
""")

LAST_NAMES = _list("""
Abernathy Acheson Aldridge Alvarez Amsel Anand Applegate Ashby Atwater Bahri Bancroft Barlow
Bassett Beaumont Beckett Bellamy Benoit Birdsall Blackwood Blythe Bouchard Bowditch Brandt
Brightwell Brody Burgess Cabrera Calloway Cardoso Carmichael Castell Chaudhry Colby Conway
Corrigan Cortez Coswell Crane Croft Cullen Dacosta Dalby Danforth Darrow Dawes Delgado Denholm
Draper Drummond Dunmore Eastman Eckhart Ellery Emsley Esposito Fairbairn Farrow Faulkner Fenwick
Ferrante Finch Fontaine Forsythe Galloway Garrick Gentry Gilmour Glover Goddard Grantham Greer
Grimaldi Hadley Halvorsen Hargrove Haskell Hathaway Hawthorne Heller Henshaw Hightower Hoang
Holloway Horvath Ibarra Inoue Ives Jansen Jarvis Jessup Kaminski Kapoor Keane Kellogg Kimura
Kingsley Kowalski Kessler Lachance Lambert Langley Larkin Lassiter Leclerc Lindqvist Lockhart
Lovell Lowry Madigan Mahler Malone Marchetti Marlow Mathers Mayhew Merrick Mikkelsen Milburn
Montrose Moreau Mukherjee Nakata Navarro Nesbitt Newcombe Nkemelu Norwood Oakes Odell Okafor
Okonkwo Olander Ormsby Osgood Padilla Palmgren Parrish Pemberton Pendleton Penrose Petrov Pike
Pomeroy Prescott Quigley Quist Radcliffe Rafferty Ramsey Redfern Renshaw Reyes Ridley Rinaldi
Rourke Rutledge Sandoval Santiago Sayers Schaefer Selby Serrano Shaw Sheldrake Silva Skinner
Somerset Stanhope Sterling Stoddard Strand Sutter Swann Takeda Talbot Tanaka Thackeray Thorne
Tierney Tolliver Trent Underhill Vance Vandermeer Varga Vaughn Vickers Wakefield Waring Weatherby
Wexler Whitlock Wickham Winslow Woodruff Wray Yarrow Yates Zabel Zielinski
""")

STREETS = _list("""
Alder Anchor Apple Aspen Bank Beacon Birch Bridge Canal Cannery Cedar Chapel Cherry Clover College
Copper Cotton Court Depot Elm Fern Ferry Foundry Garden Grange Granite Harbor Hawthorn Hazel Hill
Juniper Lantern Laurel Lighthouse Linden Mallard Maple Market Meadow Mill Miller Mulberry Oak
Orchard Park Pearl Pine Plum Poplar Prospect Quarry Railway Ridge River Rope Rowan Saddler School
Shore Spring Spruce Station Summit Sycamore Tanner Tower Union Valley Vine Walnut Weaver Willow
""")
STREET_KINDS = ("Street", "Street", "Street", "Avenue", "Avenue", "Road", "Road", "Lane", "Drive",
                "Court", "Place", "Terrace")
MAIL_HOSTS = ("postbox.example", "mailhouse.example", "inkwell.example", "quickpost.example",
              "home.example", "letterbox.example")

# One line a store: its country, its district, its own town, then the towns around it.
AREAS = (
    ("United States", "Alder County", "Port Ansel", "Millbrae Falls", "Tansy Grove", "Eastwick",
     "Corran Heights", "Dunlow", "Saltmarsh", "Whitby Cross"),
    ("United States", "Harlan County", "Harlan Bay", "Ferrisburg", "Pell Harbor", "Oakhurst Mills",
     "Brightwater", "Cobb's Landing", "Linden Hollow", "Marston"),
    ("United States", "Kestrel County", "Kestrel Springs", "Redfern", "Copper Bend", "Juniper Flat",
     "Lower Ashby", "Mesa Verna", "Dry Creek", "Tallow"),
    ("United States", "Marlow County", "Marlow Junction", "Grantsford", "Wheeling Green",
     "Pinecrest", "Stony Point", "Barrow Lake", "Old Denham", "Cutler"),
    ("United States", "Sable County", "Sablewood", "Port Orrin", "Northgate", "Amberley",
     "Quarry Hill", "Fallow Bridge", "Winnow", "Teasel Park"),
    ("Canada", "Lachine Valley", "Saint-Aubry", "Val-Perdrix", "Beaumarais", "Lac-Cendre",
     "Pont-Rousseau", "Grande-Anse", "Rivervale", "Montcourt"),
    ("Canada", "Thornbury Region", "Thornbury", "Elk Narrows", "Bruce Landing", "Kettle Point",
     "Whitefish Falls", "Upper Glen", "Mapleton", "Cedar Portage"),
)

LANGUAGES = ("English", "French", "Spanish", "German", "Japanese", "Portuguese", "Korean", "Hindi")
CATEGORIES = ("Adventure", "Animation", "Biography", "Comedy", "Crime", "Documentary", "Drama",
              "Family", "Fantasy", "History", "Horror", "Mystery", "Romance", "Science Fiction",
              "Thriller", "Western")
RATINGS = ("G", "PG", "PG", "PG-13", "PG-13", "PG-13", "R", "R", "R", "NC-17")
FEATURES = ("Trailer", "Making of", "Director commentary", "Interviews", "Bloopers",
            "Alternate ending")

ADJECTIVES = _list("""
Amber Ancient Autumn Bitter Borrowed Bright Broken Burning Careless Cold Crooked Crystal Distant
Empty Endless Faithful Fallen Final Forgotten Frozen Gentle Gilded Golden Hidden Hollow Honest
Impossible Iron Last Late Little Long Lonely Lost Lucky Midnight Modest Northern Old Open Paper
Patient Perfect Private Quiet Ragged Reluctant Restless Rising Salt Scarlet Second Secret Silent
Silver Sleeping Slow Southern Stolen Stubborn Sudden Tender Thirteenth Unfinished Unlikely Velvet
Vanishing Wandering Western White Wild Winter Wooden Young
""")
NOUNS = _list("""
Affair Alibi Anthem Apprentice Arrow Atlas Ballad Bargain Bell Bird Boundary Bridge Carnival Castle
Circus Clock Coast Company Compass Confession Country Covenant Crossing Crown Dance Daughter Debt
Detour Diary Dream Echo Election Empire Engine Errand Evening Experiment Express Farewell Feast
Fever Fire Fortune Frontier Garden Ghost Guest Harbor Harvest Heart Heist Holiday Horizon Hotel
Hour Hunter Inheritance Island Journey Jury Key Kingdom Kitchen Lake Lantern Letter Lighthouse
Machine Map Masquerade Melody Mile Mirror Moon Mountain Neighbor Night Notebook Ocean Orchard
Orchestra Outlaw Painter Parade Passage Passenger Pilot Planet Portrait Promise Prophet Rain
Reckoning Reunion Rider River Road Room Satellite Season Shadow Signal Snow Soldier Song Station
Storm Stranger Summer Sunday Tide Tower Trail Train Traveler Treaty Trial Tunnel Valley Verdict
Village Violin Voyage Waltz Watchman Wedding Wharf Widow Window Winter Witness Woods Year
""")
TRADES = _list("""
Apothecary Astronomer Baker Barber Beekeeper Bookbinder Butcher Cartographer Clockmaker Conductor
Diplomat Falconer Ferryman Gardener Glassblower Governor Innkeeper Jeweler Librarian Locksmith
Magician Mapmaker Midwife Miller Organist Pianist Piper Potter Quartermaster Shepherd Smuggler
Surgeon Tailor Undertaker
""")
PLACES = _list("""
Avalon Barrow Briar Cordova Dunmore Elmstead Fairhaven Galveston Harrow Ilmen Kestrel Lisbon Marrow
Monterra Nightingale Orkney Palermo Quill Ravenna Salazar Tangier Umber Verona Wexford
""")

OPENINGS = (
    "When the river takes the only bridge", "On the eve of the harvest fair",
    "Three weeks before the trial", "After a stranger pays cash for the old hotel",
    "In the winter the mines closed", "With one season left on her contract",
    "As the last ferry leaves the island", "Years after the fire",
    "When a letter arrives forty years late", "Between two elections",
    "On a night train that should not be running", "At the edge of a shrinking sea",
    "When the town's clock stops", "Under a borrowed name",
    "In a city without streetlights", "On the hottest day in a century",
)
HEROES = (
    "a retired surgeon", "a pair of estranged sisters", "a night-shift radio host",
    "a failed boxer", "an honest smuggler", "a county clerk", "a widowed beekeeper",
    "a runaway violinist", "an insurance investigator", "a crew of amateur divers",
    "a substitute teacher", "the youngest of five brothers", "a disgraced cartographer",
    "a lighthouse keeper", "an apprentice locksmith", "a traveling dentist", "a village choir",
    "a rookie detective",
)
TASKS = (
    "has one night to find a missing brother", "must choose between the farm and the truth",
    "falls for the wrong witness", "sets out to return a stolen painting",
    "learns what the neighbors have been burying", "races the army across the desert",
    "agrees to one more job", "builds a machine nobody asked for",
    "defends a man the whole valley wants gone", "inherits a circus and all of its debts",
    "wakes something under the ice", "takes the long way home",
    "discovers a map drawn in a dead language", "teaches a town to dance",
    "hears a signal that has no source", "wagers everything on a lame horse",
)
