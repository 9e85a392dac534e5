"""The closed lists of words that the offline model knows: it reads a value only where the value is on a list."""


def exactly(text: str) -> dict[str, str]:
    """The names between commas, each by itself: "Acme" is recognized, and "acme" is not."""
    return {name: name for name in (" ".join(part.split()) for part in text.split(","))}


def names(text: str) -> dict[str, str]:
    """The names between commas, by their lower-case form."""
    return {name.casefold(): name for name in exactly(text)}


CITIES = names("""Amsterdam, Athens, Atlanta, Austin, Bangalore, Bangkok, Barcelona, Beijing, Bergen, Berlin, Boise,
    Bonn, Boston, Brussels, Budapest, Buenos Aires, Cairo, Cape Town, Charlotte, Chicago, Cologne, Copenhagen, Dallas,
    Delhi, Denver, Detroit, Dubai, Dublin, Edinburgh, Florence, Frankfurt, Geneva, Ghent, Glasgow, Hamburg, Hong Kong,
    Istanbul, Kyiv, Lagos, Lima, Lisbon, London, Los Angeles, Madrid, Manchester, Melbourne, Mexico City, Miami, Milan,
    Montreal, Moscow, Mumbai, Munich, New Orleans, New York, Oslo, Oxford, Paris, Portland, Prague, Reykjavik, Rome, San
    Diego, San Francisco, Seattle, Seoul, Singapore, Stockholm, Sydney, São Paulo, Tokyo, Toronto, Vancouver, Venice,
    Vienna, Warsaw, Zurich, Auckland, Helsinki, Houston, Krakow, Marseille, Naples, Osaka, Ottawa, Perth, Porto,
    Philadelphia, San Jose, Utrecht, Valencia""")
LANGUAGES = names("""Arabic, Cantonese, Chinese, Czech, Danish, Dutch, English, Finnish, French, German, Greek, Hebrew,
    Hindi, Hungarian, Irish, Italian, Japanese, Korean, Latin, Mandarin, Norwegian, Persian, Polish, Portuguese,
    Romanian, Russian, Spanish, Swedish, Thai, Turkish, Ukrainian, Vietnamese""")
TOOLS = names("""Android, Bash, C++, ChatGPT, Django, Docker, Emacs, Excel, FastAPI, Git, GitHub, Go, Java, JavaScript,
    Kubernetes, Linux, LangGraph, pandas, PostgreSQL, Postgres, Python, React, Redis, Ruby, Rust, Slack, SQL, SQLite,
    Swift, TypeScript, vim, VS Code, Windows""")
ALLERGENS = names("""almonds, aspirin, bananas, bee stings, bees, cashews, cat hair, cats, celery, cheese, chocolate,
    crab, dairy, dogs, dust, dust mites, eggs, fish, garlic, gluten, grass, hazelnuts, horses, ibuprofen, kiwi, lactose,
    latex, lobster, milk, mushrooms, mustard, nuts, peanuts, pecans, penicillin, pistachios, pollen, prawns, seafood,
    sesame, shellfish, shrimp, soy, strawberries, tomatoes, tree nuts, walnuts, wasps, wheat""")
FOODS = names("""apples, bacon, bananas, beans, beef, beer, black coffee, bread, burgers, cake, cheese, chicken, chips,
    chocolate, cilantro, coffee, coriander, curry, dark chocolate, eggs, falafel, fast food, fish, fish and chips,
    fruit, garlic, green tea, hummus, ice cream, mac and cheese, meat, milk, mushrooms, noodles, olives, onions, pasta,
    peanut butter, pizza, pork, potatoes, ramen, red meat, red wine, rice, salad, salmon, seafood, soup, spicy food,
    steak, strawberries, sushi, tacos, tea, tofu, tomatoes, vegetables, white wine, wine""")
FOODS |= {f"{kind} food".casefold(): f"{kind} food" for kind in (*LANGUAGES.values(), "Indian", "Mexican", "Lebanese")}
THINGS = names("""art, astronomy, badminton, baking, baseball, basketball, birds, board games, books, boxing, camping,
    cats, chess, classical music, climbing, comics, cooking, cricket, cycling, dancing, dogs, drawing, fishing, flowers,
    football, gardening, golf, guitar, hiking, history, hockey, horses, jazz, jogging, live music, movies, music, opera,
    painting, photography, piano, poetry, pop music, programming, reading, rock and roll, rock climbing, rock music,
    rugby, running, sailing, science fiction, singing, skiing, soccer, spiders, surfing, swimming, tennis, theatre,
    travelling, video games, violin, volleyball, yoga""")
ROLES = names("""accountant, actor, architect, backend engineer, baker, barista, biologist, carpenter, chef, chemist,
    cook, data analyst, data engineer, dentist, designer, developer, doctor, electrician, engineer, farmer, frontend
    developer, journalist, lawyer, librarian, musician, nurse, photographer, pilot, plumber, product manager, professor,
    programmer, project manager, researcher, software engineer, student, teacher, translator, waiter""")
RELATIVES = names("""boyfriend, brother, cousin, dad, daughter, father, friend, girlfriend, grandfather, grandmother,
    husband, mother, mum, mom, nephew, niece, partner, sister, son, wife""")
PETS = names("cat, dog, goldfish, hamster, horse, parrot, rabbit, tortoise, turtle")
WORKPLACES = names("""a bakery, a bank, a hospital, a hotel, a library, a pharmacy, a restaurant, a school, a startup,
    a university""")
COMPANIES = exactly("""Acme, Adobe, Amazon, AMD, Apple, BMW, Bolt, Bosch, Contoso, Dell, Facebook, GitHub, Globex,
    Google, Hooli, IBM, IKEA, Initech, Initrode, Intel, Microsoft, NASA, Netflix, Nvidia, OpenAI, Samsung, SAP, Siemens,
    Sony, Spotify, Tesla, the BBC, the NHS, the United Nations, Toyota""")
# None that is also an English word, such as Will, Mark and Rose.
GIVEN_NAMES = exactly("""Ada, Adam, Alex, Alexander, Alice, Amy, Ana, Andrew, Ann, Anna, Anne, Ben, Benjamin, Bob,
    Carmen, Charlotte, Chris, Clara, Dan, Daniel, David, Diana, Elizabeth, Emily, Emma, Eric, Eva, Fatima, Felix, Hans,
    Helen, Ian, Ivan, James, Jane, Jason, Jean-Luc, Jennifer, John, José, Julia, Karen, Karl, Kate, Lars, Laura, Leo,
    Lisa, Lucas, Marco, Maria, Martin, Mary, Matthew, Mia, Michael, Mohammed, Nadia, Nina, Noah, Olga, Olivia, Paul,
    Peter, Priya, Rahul, Rex, Robert, Sara, Sarah, Sofia, Sophie, Susan, Thomas, Tom, Zoe, Zoë""")
VALUES = {
    "allergens": ALLERGENS,
    "city": CITIES,
    "employer": COMPANIES | WORKPLACES,
    "foods": FOODS,
    "languages": LANGUAGES,
    "member": RELATIVES | PETS,
    "name": GIVEN_NAMES,
    "role": ROLES,
    "things": THINGS | FOODS,
    "tool": TOOLS,
    "tools": TOOLS,
}
"""The values of each kind by what users may write; a kind in the plural takes several at once."""
